package Cases;

# What the tests have a Perl handler do: the event's `do` says it, any other event is echoed.

use v5.36;
use utf8;
use parent 'LambdaRuntime';
use LambdaRuntime::Error;
use LambdaRuntime::Event;

my $count = 0;

my %ACTION = (
    'ObjectCreated:*' => sub ( $record, $mark ) { return "$mark " . $record->size },
    'ObjectRemoved:*' => sub ( $record, $mark ) { return "$mark gone" },
);
my %TOLD = (
    'LambdaRuntime::Event::S3' =>
        sub ($s3) { return [ $s3->bucket, $s3->key, $s3->dispatch( \%ACTION, 'object' ) ] },
    'LambdaRuntime::Event::SNS' => sub ($sns) { return [ $sns->subject, $sns->payload ] },
    'LambdaRuntime::Event::SQS' => sub ($sqs) { return $sqs->payload },
    'LambdaRuntime::Event::EventBridge' =>
        sub ($event) { return [ $event->source, $event->detail_type, $event->detail ] },
);

my %DO = (
    raise   => sub { LambdaRuntime::Error->throw( 'OrderNotFound', 'no order "17" ü' ) },
    large   => sub { LambdaRuntime::Error->throw( 'Large', 'x' x 7_000_000 ) },
    garbled => sub { LambdaRuntime::Error->throw( 'Garbled', "a\x7fb" ) },
    fail    => sub { deeper() },
    sent    => sub ( $self, @ ) { $self->send_invocation_error( 'sent', 'Sent' ) },
    answer  => sub ( $self, @ ) { $self->send_invocation_response('"sent"'); return 'ignored' },
    exit    => sub { exit 3 },
    crash   => sub { unpack 'p', pack 'J', 8 },    # reads where nothing is
    sleep   => sub { sleep 60 },
    length  => sub ( $self, $event, @ ) { return length $event->{data} },
    big     => sub { return 'x' x 7_000_000 },
    text    => sub { return '"Grüße"' },
    nothing => sub { return undef },
    empty   => sub { return '' },
    zero    => sub { return 0 },
    code    => sub {
        return { code => sub { } }
    },
    count   => sub { return ++$count },
    context => sub ( $self, $event, $context ) {
        return {
            id     => $context->aws_request_id,
            left   => $context->get_remaining_time_in_millis,
            trace  => $ENV{_X_AMZN_TRACE_ID} // 'none',
            arn    => $context->invoked_function_arn,
            tenant => $context->tenant_id // '',
            client => $context->client_context,
        };
    },
    usage => sub {
        open my $status, '<', '/proc/self/status' or die;
        my ($rss) = map { /VmRSS:\s+(\d+)/ ? $1 : () } <$status>;
        my @files = grep { !/^\.\.?$/ } do { opendir my $dir, '/tmp' or die; readdir $dir };
        my @open  = glob '/proc/self/fd/*';
        return { rss => 0 + $rss, files => scalar @files, open => scalar @open };
    },
    events => sub ( $self, $event, @ ) {
        my $source = LambdaRuntime::Event->from( $event->{event} ) or return { class => undef };
        return {
            class   => ref $source,
            records => [ map { $TOLD{ ref $source }->($_) } $source->records ],
        };
    },
    batch => sub ( $self, $event, @ ) {
        my $source = LambdaRuntime::Event->from( $event->{event} );
        return $source->each_record( sub ($record) { die "no object\n" if !ref $record->payload } );
    },
    log => sub ( $self, @ ) {
        $self->get_logger->info('an info line');
        $self->get_logger->debug( sub { die 'a debug line that is off is not made' } );
        return undef;
    },
    stream => sub {
        return sub ($out) {
            $out->content_type('text/plain');
            $out->write("piece $_ ü\n") for 1 .. 3;
        };
    },
    stream_http => sub {
        return sub ($out) {
            $out->http( 201, { 'Content-Type' => 'text/html' }, ['a=1'] );
            $out->write('<p>');
        };
    },
    stream_fail => sub {
        return sub ($out) { $out->write('first'); LambdaRuntime::Error->throw( 'Broke', 'half-way' ) };
    },
    stream_long => sub {
        return sub ($out) { $out->write('first'); longer( 60 ) };
    },
    stream_never => sub {
        return sub ($out) { LambdaRuntime::Error->throw( 'Broke', 'at once' ) };
    },
    stream_nothing => sub {
        return sub ($out) { };
    },
);

sub handler ( $self, $event, $context ) {
    my $do = ref $event eq 'HASH' ? $DO{ $event->{do} // '' } : undef;
    return $do->( $self, $event, $context ) if $do;
    require LambdaRuntime::JSON;
    return ref $event || !defined $event ? $event : LambdaRuntime::JSON::to_json($event);
}

sub longer ($depth) {
    LambdaRuntime::Error->throw( 'Broke', 'é' x 5000 ) if !$depth;
    longer( $depth - 1 );
    return;
}

sub deeper { die "plain failure\n" }

1;
