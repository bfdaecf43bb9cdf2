package Calling;
use v5.36;
use parent 'LambdaRuntime';

my $client = LambdaRuntime->none;

1;
