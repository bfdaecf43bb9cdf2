package LambdaRuntime;

# The base class of a Lambda function in Perl.
#
#     package HelloLambda;
#     use v5.36;
#     use parent 'LambdaRuntime';
#
#     sub handler ( $self, $event, $context ) {
#         return { message => "Hello, $event->{name}!" };
#     }
#
# One object is made when the environment starts, and its handler is called for every event; so
# whatever is kept in it or in the module's variables is there again for the next event. Make
# clients and read configuration in a `new` of your own that calls SUPER::new.
#
# What a handler may return:
#   a reference         made JSON
#   a string, a number  the response as it stands; text is sent as UTF-8
#   undef               null
#   a code reference    a streamed response: it is called with a LambdaRuntime::Stream

use v5.36;
use Scalar::Util qw(reftype);
use LambdaRuntime::Client;
use LambdaRuntime::Context;
use LambdaRuntime::Error;
use LambdaRuntime::JSON qw(from_json to_json);
use LambdaRuntime::Logger;

use constant { ATTEMPTS => 5, FIRST_PAUSE => 0.1, JSON_TYPE => 'application/json' };

our $client;

# Options: loglevel, one of fatal, error, warn, info (the default), debug, trace.
sub new ( $class, %options ) {
    return bless {
        logger     => LambdaRuntime::Logger->new( $options{loglevel} // 'info' ),
        invocation => undef,
        answered   => 1,
    }, $class;
}

# The base class has no handler: every event is answered with an error.
sub handler ( $self, $event, $context ) {
    $self->send_invocation_error( ref($self) . ' defines no handler', 'NoHandlerDefinedException' );
    return;
}

sub get_logger ($self) { return $self->{logger} }

# Waits for the next event and returns it decoded; the invocation is the current one from then
# on. An event whose content type is not JSON is returned as bytes.
# Dies of a LambdaRuntime::Error where the event is no JSON.
sub next_event ($self) {
    my $invocation = $self->{invocation} = $self->_wait;
    $self->{answered} = 0;
    $LambdaRuntime::Logger::request_id = $invocation->{id};
    if   ( defined $invocation->{trace_id} ) { $ENV{_X_AMZN_TRACE_ID} = $invocation->{trace_id} }
    else                                     { delete $ENV{_X_AMZN_TRACE_ID} }
    return $invocation->{body} if $invocation->{content_type} !~ m{^application/json\b}i;
    my $event = eval { from_json( $invocation->{body} ) };
    die LambdaRuntime::Error->new( 'Runtime.UnmarshalError', "The event is no JSON: $@" ) if $@;
    return $event;
}

# The context of the current invocation.
sub context ($self) {
    my $invocation = $self->{invocation};
    my %decoded;
    for my $name (qw(client_context identity)) {
        $decoded{$name} = eval { from_json( $invocation->{$name} ) } if $invocation->{$name};
        die LambdaRuntime::Error->new( 'Runtime.LambdaContextUnmarshalError',
            "The header with the $name is no JSON: $@" )
            if $@;
    }
    return LambdaRuntime::Context->new(
        aws_request_id       => $invocation->{id},
        invoked_function_arn => $invocation->{arn},
        deadline_ms          => $invocation->{deadline_ms},
        trace_id             => $invocation->{trace_id},
        tenant_id            => $invocation->{tenant_id},
        %decoded,
    );
}

# Answers the current invocation with bytes. The handler's return value is ignored then.
sub send_invocation_response ( $self, $body, $content_type = JSON_TYPE ) {
    utf8::encode($body) if utf8::is_utf8($body);
    $self->_answered( 'response of ' . length($body) . ' bytes',
        $client->post_response( $self->{invocation}{id}, $body, $content_type ) );
    return;
}

# Answers the current invocation with an error, as a handler should for failures that its
# callers tell apart. The handler's return value is ignored then.
sub send_invocation_error ( $self, $message, $type = 'Error' ) {
    $self->_fail( LambdaRuntime::Error->new( $type, $message ) );
    return;
}

# Says that the function cannot be initialised, and ends the process. For a `new` of your own.
sub send_init_error ( $self, $message, $type = 'Runtime.InitError' ) {
    init_failed( LambdaRuntime::Error->new( $type, $message ) );
    exit 1;
}

# Serves events without end.
sub run ( $self, $method = 'handler' ) {
    while (1) {
        LambdaRuntime::Error->guard(
            sub {
                my $event  = $self->next_event;
                my $result = $self->$method( $event, $self->context );
                $self->_respond($result) if !$self->{answered};
            },
            sub ($error) {
                $self->{invocation} // die $error;
                $self->_fail($error) if !$self->{answered};
            }
        );
    }
    return;
}

# Logs and posts an error of the initialisation.
sub init_failed ($error) {
    LambdaRuntime::Logger->new->fatal("$error");
    my $refusal = $client->post_init_error( $error->body, $error->{type} );
    LambdaRuntime::Logger->new->warn("the init error was not accepted: $refusal") if $refusal;
    return;
}

# --- what `run` does ------------------------------------------------------------------------

sub _wait ($self) {
    my $pause = FIRST_PAUSE;
    for my $left ( reverse 0 .. ATTEMPTS - 1 ) {
        my $invocation = eval { $client->next_invocation };
        return $invocation if $invocation;
        chomp( my $error = $@ );
        $self->{logger}->error("no event could be fetched: $error");
        exit 1 if !$left;
        select undef, undef, undef, $pause;
        $pause *= 2;
    }
    return;
}

sub _respond ( $self, $result ) {
    if ( ref $result eq 'CODE' ) {
        $self->_stream($result);
        return;
    }
    my $body = $result;
    if ( ref $result || !defined $result ) {
        $body = eval { to_json($result) };
        die LambdaRuntime::Error->new( 'Runtime.MarshalError', "The result cannot be made JSON: $@" )
            if $@;
    }
    $self->send_invocation_response($body);
    return;
}

sub _stream ( $self, $code ) {
    require LambdaRuntime::Stream;
    my $stream = LambdaRuntime::Stream->new( $client, $self->{invocation}{id} );
    my $failure;
    LambdaRuntime::Error->guard( sub { $code->($stream); return }, sub ($error) { $failure = $error } );
    if ( $failure && !$stream->begun ) {
        $self->_fail($failure);
        return;
    }
    $self->{logger}->error("$failure") if $failure;
    my $refusal = eval { $stream->finish($failure) } // $@;
    $client->close_connection if $refusal;
    $self->_answered( 'streamed response', $refusal );
    return;
}

sub _fail ( $self, $error ) {
    $self->{logger}->error("$error");
    my $id = $self->{invocation}{id};
    $self->_answered( 'error',
        $client->post_error( $id, $error->body($id), $error->{type}, $error->xray_cause ) );
    return;
}

# A refusal is logged, and the next event is served.
sub _answered ( $self, $what, $refusal ) {
    $self->{answered} = 1;
    $self->{logger}->error("the $what was not accepted: $refusal") if $refusal;
    return;
}

1;
