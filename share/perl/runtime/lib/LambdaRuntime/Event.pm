package LambdaRuntime::Event;

# Events of SQS, SNS, S3 and EventBridge as objects.
#
#     my $source = LambdaRuntime::Event->from($event);    # undef for any other event
#     for my $record ( $source->records ) { say $record->key }

use v5.36;
use LambdaRuntime::Error;
use LambdaRuntime::JSON qw(from_json);

my %CLASS = map { ( "aws:\L$_" => "LambdaRuntime::Event::$_" ) } qw(SQS SNS S3);

# SNS writes EventSource, the others eventSource.
sub from ( $class, $event ) {
    return undef if ref $event ne 'HASH';
    return LambdaRuntime::Event::EventBridge->new($event)
        if exists $event->{'detail-type'} && exists $event->{source};
    my $records = $event->{Records};
    return undef if ref $records ne 'ARRAY' || !@$records || ref $records->[0] ne 'HASH';
    my $source = $records->[0]{eventSource} // $records->[0]{EventSource} // '';
    my $found  = $CLASS{$source} or return undef;
    return $found->new($event);
}

sub new ( $class, $data ) { return bless { data => $data }, $class }

# The event as it came.
sub data ($self) { return $self->{data} }

# The records as objects; an EventBridge event is its own only record.
sub records ($self) {
    my $class = ref($self) . '::Record';
    return map { $class->new($_) } $self->{data}{Records}->@*;
}

package LambdaRuntime::Event::SQS {
    our @ISA = ('LambdaRuntime::Event');

    # Calls $code with every record. Returns the answer that has SQS deliver again those, and
    # only those, for which it died; in a FIFO queue also the rest of their group, in its order.
    sub each_record ( $self, $code ) {
        my ( @failed, %stopped );
        for my $record ( $self->records ) {
            my $group = $record->ordered_group;
            if ( defined $group && $stopped{$group} ) {
                push @failed, { itemIdentifier => $record->message_id };
                next;
            }
            LambdaRuntime::Error->guard(
                sub { $code->($record); return },
                sub ($error) {
                    LambdaRuntime::Logger->new->error( $record->message_id . " failed: $error" );
                    push @failed, { itemIdentifier => $record->message_id };
                    $stopped{$group} = 1 if defined $group;
                }
            );
        }
        return { batchItemFailures => \@failed };
    }
}

package LambdaRuntime::Event::SQS::Record {
    our @ISA = ('LambdaRuntime::Event');

    sub message_id ($self) { return $self->{data}{messageId} }
    sub body       ($self) { return $self->{data}{body} }
    sub attributes ($self) { return $self->{data}{messageAttributes} // {} }

    # The message group whose messages come in order; undef in a queue that keeps none.
    sub ordered_group ($self) {
        return undef if ( $self->{data}{eventSourceARN} // '' ) !~ /\.fifo$/;
        return $self->{data}{attributes}{MessageGroupId};
    }

    # What the message says: decoded where it is JSON, and taken out of the envelope where it
    # came through SNS.
    sub payload ($self) {
        my $payload = LambdaRuntime::Event::decoded( $self->body );
        return $payload if ref $payload ne 'HASH' || ( $payload->{Type} // '' ) ne 'Notification';
        return LambdaRuntime::Event::decoded( $payload->{Message} );
    }
}

package LambdaRuntime::Event::SNS {
    our @ISA = ('LambdaRuntime::Event');
}

package LambdaRuntime::Event::SNS::Record {
    our @ISA = ('LambdaRuntime::Event');

    sub message_id ($self) { return $self->{data}{Sns}{MessageId} }
    sub topic_arn  ($self) { return $self->{data}{Sns}{TopicArn} }
    sub subject    ($self) { return $self->{data}{Sns}{Subject} }
    sub message    ($self) { return $self->{data}{Sns}{Message} }
    sub attributes ($self) { return $self->{data}{Sns}{MessageAttributes} // {} }
    sub payload    ($self) { return LambdaRuntime::Event::decoded( $self->message ) }
}

package LambdaRuntime::Event::S3 {
    our @ISA = ('LambdaRuntime::Event');
}

package LambdaRuntime::Event::S3::Record {
    our @ISA = ('LambdaRuntime::Event');

    sub event_name ($self) { return $self->{data}{eventName} }
    sub bucket     ($self) { return $self->{data}{s3}{bucket}{name} }
    sub size       ($self) { return $self->{data}{s3}{object}{size} }
    sub version_id ($self) { return $self->{data}{s3}{object}{versionId} }

    # The key as S3's API takes it; in the event it is URL-encoded.
    sub key ($self) {
        my $key = $self->{data}{s3}{object}{key} =~ tr/+/ /r;
        utf8::encode($key) if utf8::is_utf8($key);
        $key =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
        utf8::decode($key);
        return $key;
    }

    # Calls what a table has for the event's name, as `ObjectCreated:Put`, `ObjectCreated:*` or
    # `*`, with the record and the further arguments; returns what it returns, or undef.
    sub dispatch ( $self, $table, @arguments ) {
        my $name = $self->event_name;
        my ($code) = grep { defined } @$table{ $name, $name =~ s/:.*/:*/r, '*' };
        return $code ? $code->( $self, @arguments ) : undef;
    }
}

package LambdaRuntime::Event::EventBridge {
    our @ISA = ('LambdaRuntime::Event');

    sub records     ($self) { return ($self) }
    sub id          ($self) { return $self->{data}{id} }
    sub source      ($self) { return $self->{data}{source} }
    sub detail_type ($self) { return $self->{data}{'detail-type'} }
    sub detail      ($self) { return $self->{data}{detail} }
}

# Text as what it says in JSON, or as it is where it is none.
sub decoded ($text) {
    utf8::encode( my $bytes = $text // '' );
    return eval { from_json($bytes) } // $text;
}

1;
