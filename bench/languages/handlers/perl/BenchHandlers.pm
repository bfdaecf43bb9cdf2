# What is measured, in Perl.
use v5.36;
use integer;

use constant BLOCK => 1_000_000_000;

sub hello ( $event, $context ) { return { message => "Hello, $event->{name}!" } }

sub echo ( $event, $context ) { return $event }

sub pi ( $event, $context ) { return { message => digits( $event->{number} ) } }

sub digits ($count) {
    my $size  = ( $count / 9 + 2 ) * 30;
    my @terms = ( BLOCK / 5 ) x ( $size + 1 );
    my ( $held, $text ) = ( 0, '' );
    while ( length $text <= $count ) {
        my $carry = 0;
        for my $i ( reverse 1 .. $size ) {
            $carry     = $carry * $i + $terms[$i] * BLOCK;
            $terms[$i] = $carry % ( 2 * $i - 1 );
            $carry     = $carry / ( 2 * $i - 1 );
        }
        $text .= sprintf '%09d', $held + $carry / BLOCK;
        $held = $carry % BLOCK;
        $size -= 30;
    }
    return substr( $text, 0, 1 ) . '.' . substr $text, 1, $count;
}

1;
