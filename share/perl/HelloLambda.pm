package HelloLambda;

# Answers a payload, and handles the messages of a queue one by one.

use v5.36;
use utf8;
use parent 'LambdaRuntime';
use LambdaRuntime::Event;

# Called for every event: a payload of `invoke`, or a batch of messages from SQS.
sub handler ( $self, $event, $context ) {
    my $source = LambdaRuntime::Event->from($event);
    return $source->each_record( sub ($record) { $self->message($record) } )
        if $source && $source->isa('LambdaRuntime::Event::SQS');
    my $name = ref $event eq 'HASH' ? $event->{name} // 'world' : $event;
    $self->get_logger->info("greeting $name");
    return { message => "Hello, $name!", request_id => $context->aws_request_id };
}

# Handles one message. Die to have it delivered again.
sub message ( $self, $record ) {
    $self->get_logger->info( sub { 'message: ' . $record->body } );
    return;
}

1;
