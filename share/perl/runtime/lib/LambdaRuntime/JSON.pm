package LambdaRuntime::JSON;

# JSON as bytes, in and out: Cpanel::JSON::XS, or the core's slower JSON::PP where that is missing.

use v5.36;
use Exporter qw(import);

our @EXPORT_OK = qw(from_json to_json);

my $class = eval { require Cpanel::JSON::XS } ? 'Cpanel::JSON::XS' : do { require JSON::PP; 'JSON::PP' };
my $coder = $class->new->utf8->allow_nonref->convert_blessed;

# Both die with the coder's message.
sub from_json ($bytes) { return $coder->decode($bytes) }
sub to_json   ($value) { return $coder->encode($value) }

1;
