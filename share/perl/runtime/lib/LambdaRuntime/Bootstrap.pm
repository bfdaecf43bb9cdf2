package LambdaRuntime::Bootstrap;

# From a handler's name to a running function.
#
# `HelloLambda.handler` is the file HelloLambda.pm, below the task root, and in it either a
# subclass of LambdaRuntime with the method `handler`, or a plain function of that name. The
# class is the package named like the file; slashes or `::` part folders.

use v5.36;
use LambdaRuntime;

# Serves events; returns the exit status where that cannot be.
sub main ($handler) {
    my $address = $ENV{AWS_LAMBDA_RUNTIME_API};
    if ( !$address ) {
        print STDERR "AWS_LAMBDA_RUNTIME_API is not set. Lambda sets it, and so do",
            " `lambdaimg run` and `lambdaimg serve`.\n";
        return 1;
    }
    $SIG{TERM} //= sub { exit 0 };
    $LambdaRuntime::client = LambdaRuntime::Client->new($address);
    my ( $runtime, $method ) = LambdaRuntime::Error->guard( sub { load($handler) },
        \&LambdaRuntime::init_failed );
    return 1 if !$runtime;
    $runtime->run($method);
    return 0;
}

# The object and the method that a handler's name stands for. Dies of a LambdaRuntime::Error.
sub load ($handler) {
    my ( $name, $method ) = $handler =~ m{^([\w/:.-]+?)\.(\w+)$}
        or fail( 'MalformedHandlerName', "The handler '$handler' is not of the form file.function" );
    ( my $file    = $name ) =~ s{::|\.(?!\.)}{/}g;
    ( my $package = $file ) =~ s{/}{::}g;
    compile( $file, $package );
    my $class = $package->isa('LambdaRuntime') ? $package : undef;
    return ( $class->new, $method ) if $class && $class->can($method);
    fail( 'HandlerNotFound', "The class $package has no method $method" ) if $class;
    my $function = $package->can($method) // 'main'->can($method)
        // fail( 'HandlerNotFound', "$file.pm defines no function $method, nor a class $package" );
    return ( LambdaRuntime::Function->wrap($function), 'call' );
}

sub compile ( $file, $package ) {
    my $path = ( $ENV{LAMBDA_TASK_ROOT} || '.' ) . "/$file.pm";
    fail( 'ImportModuleError', "There is no file $file.pm in the task root" ) if !-e $path;
    my ( $died, $outer ) = ( '', $SIG{__DIE__} );
    local $SIG{__DIE__} = sub ($error) {
        $died = $error if defined $^S && !ref $error && $error !~ /^Compilation failed in require/m;
        $outer->($error) if ref $outer eq 'CODE';
    };
    return if eval { package main; require $path };    # whose functions a plain file defines
    my $error = $@;
    die $error if ref $error;
    fail( 'ImportModuleError', $error ) if $error =~ /^Can't locate \S+ in \@INC/m;
    # Perl says of what code died of as it ran, too, that the compilation failed.
    die $died if length $died && $error =~ /^\Q$died\E/ && $died !~ /did not return a true value/;
    fail( 'UserCodeSyntaxError', $error );
    return;
}

sub fail ( $type, $message ) {
    die LambdaRuntime::Error->new( "Runtime.$type", $message =~ s/\s+\z//r );
}

# A plain function as a handler: `function($event, $context)`.
package LambdaRuntime::Function {
    our @ISA = ('LambdaRuntime');

    sub wrap ( $class, $function ) {
        my $self = $class->new;
        $self->{function} = $function;
        return $self;
    }

    sub call ( $self, @arguments ) { return scalar $self->{function}->(@arguments) }
}

1;
