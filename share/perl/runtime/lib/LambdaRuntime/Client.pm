package LambdaRuntime::Client;

# The Lambda Runtime API, version 2018-06-01, over one kept connection.
# AWS describes it at https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
#
# Every request leaves in one send, without Nagle's delay, and nothing here has a time limit:
# between events the whole machine may be frozen for hours.

use v5.36;
use Socket qw(getaddrinfo IPPROTO_TCP MSG_DONTWAIT MSG_NOSIGNAL MSG_PEEK SOCK_STREAM TCP_NODELAY);
use Errno  qw(EAGAIN ECONNRESET EINTR EPIPE);

use constant {
    BASE          => '/2018-06-01/runtime',
    READ_SIZE     => 64 * 1024,
    MAX_XRAY      => 1024 * 1024,
    JSON_TYPE     => "Content-Type: application/json\r\n",
    LOST          => "the Runtime API closed the connection\n",
    STREAM_HEADER => "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
        . "Transfer-Encoding: chunked\r\n"
        . "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n",
};

sub new ( $class, $address ) {
    return bless { address => $address, socket => undef, buffer => '' }, $class;
}

# Waits for the next event: a hash of id, body, content_type, deadline_ms, arn, trace_id,
# tenant_id, client_context and identity, those undefined that the API did not send.
sub next_invocation ($self) {
    my ( $status, $head, $body ) = $self->_exchange( 'GET', '/invocation/next' );
    die "the Runtime API answered next with $status\n" if $status != 200;
    my %field = map { /^([^:]+):\s*(.*?)\s*$/ ? ( lc $1, $2 ) : () } split /\r\n/, $head;
    my $id    = $field{'lambda-runtime-aws-request-id'} // '';
    die "the Runtime API sent an event without a request id\n" if $id !~ /^[!-~]+$/;
    return {
        id             => $id,
        body           => $body,
        content_type   => $field{'content-type'}               || 'application/json',
        deadline_ms    => $field{'lambda-runtime-deadline-ms'} || 0,
        arn            => $field{'lambda-runtime-invoked-function-arn'},
        trace_id       => $field{'lambda-runtime-trace-id'},
        tenant_id      => $field{'lambda-runtime-aws-tenant-id'},
        client_context => $field{'lambda-runtime-client-context'},
        identity       => $field{'lambda-runtime-cognito-identity'},
    };
}

# The next four post something. They return '' where the API accepted it, else why not: a
# refusal (413 for a response that is too large, 403 for a call out of order) ends no process.
sub post_response ( $self, $id, $body, $content_type ) {
    return $self->_post( "/invocation/$id/response", $body, "Content-Type: $content_type\r\n" );
}

sub post_error ( $self, $id, $body, $type, $cause ) {
    my $xray
        = length $cause < MAX_XRAY ? "Lambda-Runtime-Function-XRay-Error-Cause: $cause\r\n" : '';
    return $self->_post( "/invocation/$id/error", $body, JSON_TYPE . _type_header($type) . $xray );
}

sub post_init_error ( $self, $body, $type ) {
    return $self->_post( '/init/error', $body, JSON_TYPE . _type_header($type) );
}

# A streamed response: begin, any number of chunks, end; the type and body of an error that
# came after the first byte go into the trailers.
sub stream_begin ( $self, $id, $content_type ) {
    $self->_drop_if_gone;
    $self->_open;
    $self->_send( $self->_head( 'POST', "/invocation/$id/response" )
            . STREAM_HEADER
            . "Content-Type: $content_type\r\n\r\n" );
    return;
}

sub stream_chunk ( $self, $data ) {
    $self->_send( sprintf( "%x\r\n", length $data ) . $data . "\r\n" ) if length $data;
    return;
}

sub stream_end ( $self, $type = undef, $body = '' ) {
    my $trailers = '';
    if ( defined $type ) {
        require MIME::Base64;
        $trailers = _type_header($type) . 'Lambda-Runtime-Function-Error-Body: '
            . MIME::Base64::encode_base64( $body, '' ) . "\r\n";
    }
    my ( $status, undef, $answer ) = eval {
        $self->_send("0\r\n$trailers\r\n");
        $self->_receive;
    };
    return $self->_refusal( $status, $answer, $@ );
}

sub close_connection ($self) {
    @$self{qw(socket buffer)} = ( undef, '' );
    return;
}

# --- requests -------------------------------------------------------------------------------

sub _post ( $self, $path, $body, $headers ) {
    my ( $status, undef, $answer ) = eval { $self->_exchange( 'POST', $path, $headers, $body ) };
    return $self->_refusal( $status, $answer, $@ );
}

sub _refusal ( $self, $status, $answer, $error ) {
    return '' if defined $status && $status == 202;
    return "the Runtime API answered $status: " . substr $answer, 0, 500 if defined $status;
    $self->close_connection;
    chomp $error;
    return $error || 'no answer from the Runtime API';
}

# The error types that Lambda keeps begin with Runtime. or Function.
sub _type_header ($type) {
    $type =~ tr/A-Za-z0-9._//cd;
    $type = "Function.$type" if $type !~ /^(?:Runtime|Function)\./;
    return "Lambda-Runtime-Function-Error-Type: $type\r\n";
}

sub _head ( $self, $method, $path ) {
    return "$method ${\BASE}$path HTTP/1.1\r\nHost: $self->{address}\r\n"
        . "User-Agent: lambdaimg-perl/$]\r\n";
}

# Sends a request and returns status, head and body of the answer. A kept connection that turns
# out to be gone before an answer began is opened again, once.
sub _exchange ( $self, $method, $path, $headers = '', $body = undef ) {
    my $request = $self->_head( $method, $path ) . $headers;
    $request .= 'Content-Length: ' . length($body) . "\r\n" if defined $body;
    $request .= "\r\n";
    $request .= $body if defined $body;
    for my $fresh ( !$self->{socket}, 1 ) {
        $self->_open if !$self->{socket};
        my @answer = eval { $self->_send($request); $self->_receive };
        return @answer if @answer;
        my $error = $@;
        $self->close_connection;
        die $error if $fresh || $error ne LOST;
    }
    return;
}

# --- the connection -------------------------------------------------------------------------

sub _open ($self) {
    return if $self->{socket};
    my ( $host, $port ) = $self->{address} =~ /^\[?(.*?)\]?(?::(\d+))?$/;
    my ( $error, @found ) = getaddrinfo( $host, $port // 80, { socktype => SOCK_STREAM } );
    die "cannot resolve $self->{address}: $error\n" if $error;
    for my $peer (@found) {
        socket my $socket, $peer->{family}, $peer->{socktype}, $peer->{protocol} or next;
        connect $socket, $peer->{addr} or next;
        setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
        @$self{qw(socket buffer)} = ( $socket, '' );
        return;
    }
    die "cannot reach the Runtime API at $self->{address}: $!\n";
}

# Closes a connection that the API has closed while the handler ran. What a stream sends into it would
# be lost, and only the next send would tell.
sub _drop_if_gone ($self) {
    return if !$self->{socket};
    my $got = recv $self->{socket}, my $byte, 1, MSG_PEEK | MSG_DONTWAIT;
    $self->close_connection if defined $got || $! != EAGAIN;
    return;
}

sub _send ( $self, $data ) {
    while ( length $data ) {
        my $sent = send $self->{socket}, $data, MSG_NOSIGNAL;
        if ( defined $sent ) {
            substr $data, 0, $sent, '';
        }
        elsif ( $! != EINTR ) {
            die $! == EPIPE || $! == ECONNRESET ? LOST : "cannot send to the Runtime API: $!\n";
        }
    }
    return;
}

# Reads more into the buffer; false at the end of the connection.
sub _fill ($self) {
    my $count;
    do {
        $count = sysread $self->{socket}, $self->{buffer}, READ_SIZE, length $self->{buffer};
    } while ( !defined $count && $! == EINTR );
    die "cannot read from the Runtime API: $!\n" if !defined $count && $! != ECONNRESET;
    return $count;
}

sub _receive ($self) {
    my ( $status, $head ) = ( 0, '' );
    while ( $status < 200 ) {
        $head = $self->_until("\r\n\r\n");
        ($status) = $head =~ m{^HTTP/1\.[01] ([0-9]{3})} or die "the answer is no HTTP\n";
    }
    my $body
        = $head =~ /^Transfer-Encoding:\s*chunked\s*$/mi ? $self->_chunked
        : $head =~ /^Content-Length:\s*(\d+)\s*$/mi      ? $self->_exactly($1)
        :                                                  die "an answer without a length\n";
    $self->close_connection if $head =~ /^Connection:\s*close\s*$/mi;
    return ( $status, $head, $body );
}

# Everything before a mark, which is used up with it.
sub _until ( $self, $mark ) {
    my $end;
    while ( ( $end = index $self->{buffer}, $mark ) < 0 ) {
        next if $self->_fill;
        die length $self->{buffer} ? "an answer broke off\n" : LOST;
    }
    my $found = substr $self->{buffer}, 0, $end, '';
    substr $self->{buffer}, 0, length $mark, '';
    return $found;
}

sub _exactly ( $self, $size ) {
    while ( length $self->{buffer} < $size ) {
        $self->_fill or die "an answer broke off\n";
    }
    return substr $self->{buffer}, 0, $size, '';
}

sub _chunked ($self) {
    my $body = '';
    while ( my $size = hex( $self->_until("\r\n") =~ /^([0-9a-f]{1,8})/i ? $1 : die "no chunk\n" ) )
    {
        $body .= $self->_exactly($size);
        $self->_exactly(2);
    }
    1 while $self->_until("\r\n") ne '';
    return $body;
}

1;
