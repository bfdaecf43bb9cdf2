<?php

// Answers a payload, and handles the messages of a queue one by one.

declare(strict_types=1);

use LambdaRuntime\Context;

/** Called for every event: a payload of `invoke`, or a batch of messages from SQS. */
function handler(mixed $event, Context $context): array
{
    if (is_array($event) && ($event['Records'][0]['eventSource'] ?? '') === 'aws:sqs') {
        return handle_batch($event['Records']);
    }
    $name = is_array($event) ? $event['name'] ?? 'world' : $event;
    error_log("greeting $name");
    return ['message' => "Hello, $name!", 'request_id' => $context->awsRequestId];
}

/** Handles each message; those that fail are named, and SQS delivers them again. */
function handle_batch(array $records): array
{
    $failed = [];
    foreach ($records as $record) {
        try {
            handle_message($record['body']);
        } catch (Throwable $error) {
            error_log("message {$record['messageId']} failed: $error");
            $failed[] = ['itemIdentifier' => $record['messageId']];
        }
    }
    return ['batchItemFailures' => $failed];
}

/** Handles the text of one message. Throw anything to have it delivered again. */
function handle_message(string $body): void
{
    error_log("message: $body");
}
