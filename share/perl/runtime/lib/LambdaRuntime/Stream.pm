package LambdaRuntime::Stream;

# What a handler that returns a code reference writes its response to.
#
#     return sub ($out) {
#         $out->content_type('text/plain');
#         $out->write("line $_\n") for 1 .. 10;
#     };

use v5.36;
use LambdaRuntime::Error;
use LambdaRuntime::JSON qw(to_json);

use constant HTTP_TYPE => 'application/vnd.awslambda.http-integration-response';

sub new ( $class, $client, $request_id ) {
    return bless {
        client       => $client,
        request_id   => $request_id,
        content_type => 'application/octet-stream',
        begun        => 0,
    }, $class;
}

# Sets the content type; only before the first byte.
sub content_type ( $self, $type ) {
    die "the response has begun\n" if $self->{begun};
    $self->{content_type} = $type =~ tr/\x20-\x7e//cdr;
    return;
}

# Begins a response to an HTTP request: status, headers (a hash) and cookies (a list).
sub http ( $self, $status, $headers = {}, $cookies = [] ) {
    $self->content_type(HTTP_TYPE);
    my %prelude = ( statusCode => 0 + $status, headers => $headers, cookies => $cookies );
    $self->write( to_json( \%prelude ) . "\0" x 8 );
    return;
}

# Sends a piece of the response now. Text is sent as UTF-8.
sub write ( $self, $data ) {
    utf8::encode($data) if utf8::is_utf8($data);
    $self->_begin;
    $self->{client}->stream_chunk($data);
    return;
}

sub begun ($self) { return $self->{begun} }

# Ends the response; for the runtime. Returns '' where it was accepted, else why not.
sub finish ( $self, $error = undef ) {
    $self->_begin;
    return $self->{client}->stream_end if !$error;
    my $body = $error->body( $self->{request_id}, LambdaRuntime::Error::MAX_TRAILER );
    return $self->{client}->stream_end( $error->{type}, $body );
}

sub _begin ($self) {
    return if $self->{begun}++;
    $self->{client}->stream_begin( @$self{qw(request_id content_type)} );
    return;
}

1;
