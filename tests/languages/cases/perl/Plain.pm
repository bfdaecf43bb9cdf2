# A module with a plain function and no class.
use v5.36;

sub greet ( $event, $context ) { return { plain => $event } }

1;
