<?php
// One script that is runtime and function at once, over PHP's own HTTP streams.
ini_set('default_socket_timeout', '-1');
$api = 'http://' . getenv('AWS_LAMBDA_RUNTIME_API') . '/2018-06-01/runtime/invocation';
while (true) {
    $event = file_get_contents("$api/next");
    foreach ($http_response_header as $line) {
        if (stripos($line, 'Lambda-Runtime-Aws-Request-Id:') === 0) {
            $id = trim(substr($line, 30));
        }
    }
    $answer = json_encode(['theirs' => 'php', 'event' => json_decode($event)]);
    file_get_contents("$api/$id/response", false, stream_context_create(['http' => [
        'method' => 'POST', 'header' => 'Content-Type: application/json', 'content' => $answer,
    ]]));
}
