#!/usr/bin/perl
# A custom runtime in what Debian's minimal system has. Its handler is driven by words in the
# event: `fail`, `exit`, `sleep`, `send`; otherwise it answers with the event and its variables.
use strict;
use warnings;
use IO::Socket::INET;

sub call {
    my ($address, $head, $body) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => $address) or die "no connection to $address";
    my $length = length $body;
    print $socket "$head\r\nHost: $address\r\nConnection: close\r\nContent-Length: $length\r\n\r\n$body";
    local $/;
    my ($headers, $answer) = split /\r\n\r\n/, <$socket>, 2;
    return ($headers, $answer);
}

sub send_message {
    my ($queue, $text) = @_;
    my ($address) = $ENV{AWS_ENDPOINT_URL} =~ m{^http://(.*)$};
    my $who = "Credential=$ENV{AWS_ACCESS_KEY_ID}/20260101/$ENV{AWS_REGION}/sqs/aws4_request";
    my $url = "$ENV{AWS_ENDPOINT_URL}/$ENV{AWS_ACCESS_KEY_ID}/$queue";
    my ($headers) = call(
        $address,
        "POST / HTTP/1.1\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n"
            . "Content-Type: application/x-amz-json-1.0\r\nAuthorization: AWS4-HMAC-SHA256 $who, "
            . "SignedHeaders=host, Signature=00",
        qq({"QueueUrl":"$url","MessageBody":"$text"}),
    );
    return $headers =~ m{^HTTP/1.1 200};
}

$| = 1;
my $api = $ENV{AWS_LAMBDA_RUNTIME_API};
my $path = "/2018-06-01/runtime/invocation";
while (1) {
    my ($headers, $event) = call($api, "GET $path/next HTTP/1.1", "");
    my ($id) = $headers =~ /^Lambda-Runtime-Aws-Request-Id: (\S+)/im;
    my ($arn) = $headers =~ /^Lambda-Runtime-Invoked-Function-Arn: (\S+)/im;
    print "event $event\n";
    my ($kind, $answer) = ("response", qq({"event":$event,  "arn":"$arn","words":"@ARGV",)
        . qq("given":"$ENV{GIVEN}","endpoint":"$ENV{AWS_ENDPOINT_URL}"}));
    exit 3 if $event =~ /"exit"/;
    sleep 30 if $event =~ /"sleep"/;
    if ($event =~ /"fail"/) {
        ($kind, $answer) = ("error", q({"errorMessage":"no","errorType":"Bad","stackTrace":[]}));
    }
    if ($event =~ /"body": ?"send ([\w-]+)"/) {
        die "SQS refused" unless send_message($1, "from a container");
        $answer = q({"batchItemFailures":[]});
    }
    call($api, "POST $path/$id/$kind HTTP/1.1", $answer);
}
