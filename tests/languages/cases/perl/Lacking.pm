package Lacking;
use parent 'LambdaRuntime';
use No::Such::Module;
1;
