package LambdaRuntime::Logger;

# Writes lines to stderr, which Lambda puts into CloudWatch.
#
# Levels: fatal, error, warn, info, debug, trace, each a method. A message may be a code
# reference, which is called only where its level is on. AWS_LAMBDA_LOG_FORMAT=JSON makes each
# line a JSON object.

use v5.36;
use Time::HiRes ();
use LambdaRuntime::JSON qw(to_json);

my %RANK = ( fatal => 0, error => 1, warn => 2, info => 3, debug => 4, trace => 5 );
my %NAME = ( warning => 'warn', critical => 'fatal' );

our $request_id = '';

# LOG_LEVEL of the function's configuration wins over AWS_LAMBDA_LOG_LEVEL, and both over the
# level given.
sub new ( $class, $level = 'info' ) {
    my $self = bless { rank => $RANK{info}, json => 0 }, $class;
    $self->{json} = lc( $ENV{AWS_LAMBDA_LOG_FORMAT} // '' ) eq 'json';
    for my $wanted ( grep { defined && length } $level, @ENV{qw(AWS_LAMBDA_LOG_LEVEL LOG_LEVEL)} ) {
        my $name = $NAME{ lc $wanted } // lc $wanted;
        $self->{rank} = $RANK{$name} if exists $RANK{$name};
    }
    return $self;
}

for my $level ( keys %RANK ) {
    no strict 'refs';    ## no critic: this is how methods are made
    *$level = sub ( $self, $message ) { $self->_log( $level, $message ) if $self->is_on($level) };
}

# Whether messages of a level are written.
sub is_on ( $self, $level ) { return $RANK{$level} <= $self->{rank} }

sub _log ( $self, $level, $message ) {
    $message = $message->() if ref $message eq 'CODE';
    chomp( $message //= '' );
    my ( $seconds, $micro ) = Time::HiRes::gettimeofday();
    my ( $s, $m, $h, $day, $month, $year ) = gmtime $seconds;
    my $stamp = sprintf '%04d-%02d-%02dT%02d:%02d:%02d.%03dZ', $year + 1900, $month + 1, $day, $h,
        $m, $s, $micro / 1000;
    my $line = $self->{json}
        ? to_json(
        {   timestamp => $stamp,
            level     => uc $level,
            message   => "$message",
            ( requestId => $request_id ) x !!$request_id,
        }
        )
        : _bytes( join "\t", '[' . uc($level) . ']', $stamp, $request_id, $message );
    # One write, so that the lines of several processes do not mix.
    syswrite STDERR, "$line\n";
    return;
}

sub _bytes ($text) {
    utf8::encode($text) if utf8::is_utf8($text);
    return $text;
}

1;
