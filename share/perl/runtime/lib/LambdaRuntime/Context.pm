package LambdaRuntime::Context;

# What a handler is told about its invocation.

use v5.36;
use Time::HiRes ();

sub new ( $class, %fields ) {
    return bless {
        function_name      => $ENV{AWS_LAMBDA_FUNCTION_NAME},
        function_version   => $ENV{AWS_LAMBDA_FUNCTION_VERSION},
        memory_limit_in_mb => $ENV{AWS_LAMBDA_FUNCTION_MEMORY_SIZE},
        log_group_name     => $ENV{AWS_LAMBDA_LOG_GROUP_NAME},
        log_stream_name    => $ENV{AWS_LAMBDA_LOG_STREAM_NAME},
        %fields,
    }, $class;
}

# Accessors. client_context and identity are hashes, or undefined where the caller sent none.
for my $name (
    qw(aws_request_id function_name function_version memory_limit_in_mb log_group_name
    log_stream_name invoked_function_arn deadline_ms trace_id tenant_id client_context identity)
    )
{
    no strict 'refs';    ## no critic: this is how accessors are made
    *$name = sub ($self) { return $self->{$name} };
}

# Milliseconds until Lambda ends the invocation; 0 once that is past.
sub get_remaining_time_in_millis ($self) {
    my $left = int( $self->{deadline_ms} - Time::HiRes::time() * 1000 );
    return $left > 0 ? $left : 0;
}

1;
