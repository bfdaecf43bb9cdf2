package Dying;
use v5.36;
use parent 'LambdaRuntime';

sub new ( $class, %options ) {
    my $self = $class->SUPER::new(%options);
    $self->send_init_error( 'there is no table', 'NoTable' );
    return $self;
}

sub handler ( $self, @ ) { return 'never' }

1;
