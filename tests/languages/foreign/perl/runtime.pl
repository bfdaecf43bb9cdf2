#!/usr/bin/perl
# HTTP::Tiny and a handler that is a file of plain functions; _HANDLER names file and function.
use strict;
use warnings;
use HTTP::Tiny;
use JSON::PP;

my $ua   = HTTP::Tiny->new( timeout => 86_400 );
my $api  = "http://$ENV{AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation";
my ( $file, $function ) = split /\./, $ENV{_HANDLER};
require "./$file.pl";
while (1) {
    my $next = $ua->get("$api/next");
    my $id   = $next->{headers}{'lambda-runtime-aws-request-id'};
    my $answer = main->can($function)->( decode_json( $next->{content} ) );
    $ua->post( "$api/$id/response", { content => encode_json($answer) } );
}
