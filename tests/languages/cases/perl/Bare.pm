package Bare;
use parent 'LambdaRuntime';
1;
