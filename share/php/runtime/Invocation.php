<?php

declare(strict_types=1);

namespace LambdaRuntime;

/** One answer to `next`: the event as it came, and what its headers say. */
final class Invocation
{
    public readonly string $id;
    public bool $answered = false;

    /** @param array<string, string> $fields the headers by lower-case name */
    public function __construct(private readonly array $fields, public readonly string $body)
    {
        $this->id = $this->field('aws-request-id') ?? '';
        if (!preg_match('/^[!-~]+$/', $this->id)) {
            throw new ApiException('the Runtime API sent an event without a request id');
        }
    }

    /** The value of `Lambda-Runtime-...`, or null where the API did not send it. */
    public function field(string $name): ?string
    {
        return $this->fields["lambda-runtime-$name"] ?? null;
    }

    /** The event: decoded where it is JSON, objects as arrays; else the bytes. */
    public function event(): mixed
    {
        $type = $this->fields['content-type'] ?? 'application/json';
        if (!preg_match('~^application/json\b~i', $type)) {
            return $this->body;
        }
        return self::decode($this->body, 'Runtime.UnmarshalError', 'The event');
    }

    public function context(): Context
    {
        return new Context(
            awsRequestId: $this->id,
            invokedFunctionArn: $this->field('invoked-function-arn'),
            deadlineMs: (int) ($this->field('deadline-ms') ?? 0),
            traceId: $this->field('trace-id'),
            tenantId: $this->field('aws-tenant-id'),
            clientContext: $this->json('client-context'),
            identity: $this->json('cognito-identity'),
        );
    }

    /** @return array<string, mixed>|null */
    private function json(string $name): ?array
    {
        $text = $this->field($name) ?? '';
        return $text === '' ? null : (array) self::decode(
            $text,
            'Runtime.LambdaContextUnmarshalError',
            "The header with the $name",
        );
    }

    private static function decode(string $text, string $type, string $what): mixed
    {
        try {
            return json_decode($text, true, 512, JSON_THROW_ON_ERROR);
        } catch (\JsonException $error) {
            throw new LambdaError($type, "$what is no JSON: {$error->getMessage()}");
        }
    }
}
