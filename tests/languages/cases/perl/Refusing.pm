package Refusing;
use v5.36;
use parent 'LambdaRuntime';

eval { die "caught\n" };
die "there is no table\n" if !$ENV{TABLE};

1;
