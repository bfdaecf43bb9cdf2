<?php

declare(strict_types=1);

namespace LambdaRuntime;

/** What a handler is told about its invocation. */
final class Context
{
    public readonly string $functionName;
    public readonly string $functionVersion;
    public readonly int $memoryLimitInMb;
    public readonly string $logGroupName;
    public readonly string $logStreamName;

    /**
     * @param array<string, mixed>|null $clientContext as the caller sent it
     * @param array<string, mixed>|null $identity      of Amazon Cognito
     */
    public function __construct(
        public readonly string $awsRequestId,
        public readonly ?string $invokedFunctionArn,
        public readonly int $deadlineMs,
        public readonly ?string $traceId,
        public readonly ?string $tenantId,
        public readonly ?array $clientContext,
        public readonly ?array $identity,
    ) {
        $this->functionName = (string) getenv('AWS_LAMBDA_FUNCTION_NAME');
        $this->functionVersion = (string) getenv('AWS_LAMBDA_FUNCTION_VERSION');
        $this->memoryLimitInMb = (int) getenv('AWS_LAMBDA_FUNCTION_MEMORY_SIZE');
        $this->logGroupName = (string) getenv('AWS_LAMBDA_LOG_GROUP_NAME');
        $this->logStreamName = (string) getenv('AWS_LAMBDA_LOG_STREAM_NAME');
    }

    /** Milliseconds until Lambda ends the invocation; 0 once that is past. */
    public function getRemainingTimeInMillis(): int
    {
        return max(0, $this->deadlineMs - (int) (microtime(true) * 1000));
    }
}
