package Undeclared;
use v5.36;
use parent 'LambdaRuntime';

BEGIN {
    eval { die "caught\n" }
}
$undeclared = 1;

1;
