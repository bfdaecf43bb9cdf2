package LambdaRuntime::Error;

# An error with a type of its own. A handler may throw one:
#     LambdaRuntime::Error->throw( 'OrderNotFound', 'There is no order 17.' );
# The runtime makes one of everything else that a handler dies of.

use v5.36;
use overload '""' => sub ( $self, @ ) { return "$self->{type}: $self->{message}" }, fallback => 1;
use Cwd ();
use LambdaRuntime::JSON qw(to_json);

# What the Runtime API takes of an error, in a request and in the trailers of a stream; it does not
# recover from one beyond.
use constant { MAX_FRAMES => 50, MAX_BODY => 6 * 1024 * 1024, MAX_TRAILER => 2700 };

sub new ( $class, $type, $message, $frames = [] ) {
    return bless { type => $type, message => $message, frames => $frames }, $class;
}

sub throw ( $class, $type, $message ) { die $class->new( $type, $message, frames_here() ) }

# The error that $@ stands for: text, or an object of any exception class.
sub from ( $class, $error, $frames ) {
    return $error if ref $error && eval { $error->isa($class) };
    my $text = eval { ref $error && eval { $error->can('message') } ? $error->message : "$error" }
        // 'the error has no text';
    $text =~ s/\s+\z//;
    return $class->new( ref $error || 'Error', $text, $frames );
}

# Runs code and returns what it returns, in list context; if it dies, ( undef, error ) goes to
# $failed instead, with the stack as it was when it died.
sub guard ( $class, $code, $failed ) {
    my ( $frames, $outer ) = ( [], $SIG{__DIE__} );
    my @result;
    my $done = eval {
        local $SIG{__DIE__} = sub ($error) {
            $frames = frames_here();
            $outer->($error) if ref $outer eq 'CODE';
        };
        @result = $code->();
        1;
    };
    return @result if $done;
    $failed->( $class->from( $@, $frames ) );
    return;
}

# The caller's frames, innermost first, without the runtime's own.
sub frames_here () {
    my ( @frames, $name );
    my $depth = 0;
    while ( @frames < MAX_FRAMES and my ( $package, $file, $line, $sub ) = caller $depth++ ) {
        next if $package =~ /^LambdaRuntime(?:::|$)/ || $package eq 'main' && $file =~ /bootstrap$/;
        my ( undef, undef, undef, $within ) = caller $depth;
        push @frames, { path => $file, line => $line, label => $within // 'main' };
    }
    return \@frames;
}

# The error as the Runtime API takes it. Where it has more than $max bytes, the message and the stack
# are cut until it fits.
sub body ( $self, $request_id = undef, $max = MAX_BODY ) {
    my @stack   = map {"$_->{label} at $_->{path} line $_->{line}"} $self->{frames}->@*;
    my $message = _text( $self->{message} );
    my $letters = length $message;
    my $json;
    while (1) {
        $json = to_json(
            {   errorType    => $self->{type},
                errorMessage => $message,
                stackTrace   => \@stack,
                ( requestId => $request_id ) x !!defined $request_id,
            }
        );
        last if length $json <= $max || !$letters && !@stack;
        if ( $letters > 500 || !@stack ) {
            $letters = int $letters / 2;
            $message = substr( $message, 0, $letters ) . ' ...';
            splice @stack, 10 if @stack > 10;
        }
        else {
            splice @stack, @stack / 2;
        }
    }
    return $json;
}

# The error as AWS X-Ray takes it: JSON on one line, in ASCII.
sub xray_cause ($self) {
    my %path = map { $_->{path} => 1 } $self->{frames}->@*;
    my $json = to_json(
        {   working_directory => Cwd::getcwd() // '',
            paths             => [ sort keys %path ],
            exceptions        => [
                {   type    => $self->{type},
                    message => _text( $self->{message} ),
                    stack   => [ map { { %$_, line => 0 + $_->{line} } } $self->{frames}->@* ],
                }
            ],
        }
    );
    utf8::decode($json);
    return $json =~ s{([^\x20-\x7e])}{_escape( ord $1 )}ger;
}

sub _escape ($code) {
    return sprintf '\\u%04x', $code if $code < 0x10000;
    $code -= 0x10000;
    return sprintf '\\u%04x\\u%04x', 0xd800 + ( $code >> 10 ), 0xdc00 + ( $code & 0x3ff );
}

# Text that comes as UTF-8 bytes, as the messages of perl itself do, is read as such.
sub _text ($text) {
    utf8::decode($text) if !utf8::is_utf8($text);
    return $text;
}

1;
