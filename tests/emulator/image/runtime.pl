#!/usr/bin/perl
# A custom runtime in what Debian's minimal system has. The event names what it does: `do`.
# Its answer begins with the contents of the file that CMD names.
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
die "init fails\n" if $ENV{FAIL_INIT};
my $words = do { local $/; open my $file, '<', $ARGV[0] or die "no $ARGV[0]"; <$file> };
$words =~ s/\s+$//;
print "starting\n";
my $socket = IO::Socket::INET->new(PeerAddr => $ENV{AWS_LAMBDA_RUNTIME_API}) or die "no API";

sub call {
    my ($method, $path, $body) = @_;
    syswrite $socket, "$method /2018-06-01/runtime/$path HTTP/1.1\r\nHost: x\r\n"
        . "Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    my $data = '';
    until ($data =~ /\r\n\r\n/) { sysread($socket, $data, 65536, length $data) or exit 1 }
    my ($head, $rest) = split /\r\n\r\n/, $data, 2;
    my ($length) = $head =~ /^Content-Length: (\d+)/im;
    while (length $rest < $length) { sysread($socket, $rest, 65536, length $rest) or exit 1 }
    return ($head, $rest);
}

sub quoted { my ($text) = @_; $text =~ s/(["\\])/\\$1/g; $text =~ s/\n/\\n/g; return qq("$text") }

sub writable { my ($path) = @_; open my $file, '>', $path or return 'false'; unlink $path; 'true' }

sub facts {
    my @pairs = map { quoted($_) . ':' . quoted($ENV{$_}) } sort keys %ENV;
    my $own = '{' . join(',', @pairs) . '}';
    my ($root, $tmp) = (writable('/function/x'), writable('/tmp/x'));
    return qq({"uid":$<,"root":$root,"tmp":$tmp,"environment":$own});
}

while (1) {
    my ($head, $event) = call('GET', 'invocation/next', '');
    my ($id) = $head =~ /^Lambda-Runtime-Aws-Request-Id: (\S+)/im;
    my ($do) = $event =~ /"do": *"(\w+)"/;
    $do //= '';
    print "out $id\n";
    print STDERR "err $id\n";
    exit 3 if $do eq 'exit';
    sleep 60 if $do eq 'sleep';
    if ($do eq 'pause') { sleep 1; $do = 'words' }
    if ($do eq 'mute') { close STDOUT; close STDERR }
    if ($do eq 'memory') { my @held; push @held, 'x' x 10_000_000 while 1 }
    if ($do eq 'fail') {
        call('POST', "invocation/$id/error", '{"errorMessage":"no","errorType":"Bad"}');
        next;
    }
    my $answer = $do eq 'facts' ? facts() : $do eq 'words' ? quoted($words) : $event;
    call('POST', "invocation/$id/response", $answer);
}
