package Broken;
use parent 'LambdaRuntime';
sub handler { return (
1;
