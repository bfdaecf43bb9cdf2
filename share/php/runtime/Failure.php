<?php

declare(strict_types=1);

namespace LambdaRuntime;

/**
 * An error with a type of its own. A handler may throw one:
 *
 *     throw new LambdaRuntime\LambdaError('OrderNotFound', 'There is no order 17.');
 */
final class LambdaError extends \RuntimeException
{
    public function __construct(public readonly string $type, string $message)
    {
        parent::__construct($message);
    }
}

/** What is told of a failure: to the caller, to X-Ray and in the log. */
final class Failure
{
    // What the Runtime API takes of an error, in a request and in the trailers of a stream; it does
    // not recover from one beyond.
    public const MAX_BODY = 6 * 1024 * 1024;
    public const MAX_TRAILER = 2700;

    /** @param list<array{path: string, line: int, label: string}> $frames innermost first */
    public function __construct(
        public readonly string $type,
        public readonly string $message,
        private readonly array $frames = [],
    ) {
    }

    public static function of(\Throwable $error): self
    {
        $type = $error instanceof LambdaError ? $error->type : $error::class;
        $frames = [];
        $place = ['path' => $error->getFile(), 'line' => $error->getLine()];
        foreach ([...$error->getTrace(), []] as $call) {
            $function = ($call['class'] ?? '') . ($call['type'] ?? '') . ($call['function'] ?? 'main');
            // The runtime's own frames are of no use to whoever reads this.
            if ($place['path'] !== '' && dirname($place['path']) !== __DIR__) {
                $frames[] = $place + ['label' => $function];
            }
            $place = ['path' => $call['file'] ?? '', 'line' => $call['line'] ?? 0];
        }
        return new self($type, $error->getMessage(), $frames);
    }

    /** The error as the Runtime API takes it. Beyond $max bytes, the message and the stack are cut. */
    public function body(?string $requestId = null, int $max = self::MAX_BODY): string
    {
        $told = ['errorType' => $this->type, 'errorMessage' => $this->message];
        $told['stackTrace'] = array_map(
            fn (array $frame): string => "$frame[label] at $frame[path] line $frame[line]",
            $this->frames,
        );
        $told += $requestId === null ? [] : ['requestId' => $requestId];
        $letters = strlen($this->message);
        $frames = count($this->frames);
        while (strlen($json = self::json($told)) > $max && $letters + $frames > 0) {
            if ($letters > 500 || $frames === 0) {
                $letters = intdiv($letters, 2);
                $frames = min($frames, 10);
                $told['errorMessage'] = substr($this->message, 0, $letters) . ' ...';
            } else {
                $frames = intdiv($frames, 2);
            }
            $told['stackTrace'] = array_slice($told['stackTrace'], 0, $frames);
        }
        return $json;
    }

    /** The error as AWS X-Ray takes it: JSON on one line, in the letters that a header may hold. */
    public function xrayCause(): string
    {
        $exception = ['type' => $this->type, 'message' => $this->message, 'stack' => $this->frames];
        $cause = self::json([
            'working_directory' => (string) getcwd(),
            'exceptions' => [$exception],
            'paths' => array_values(array_unique(array_column($this->frames, 'path'))),
        ], 0);
        return str_replace("\x7f", '\u007f', $cause);
    }

    public function log(): void
    {
        $lines = array_map(
            fn (array $frame): string => "\n  $frame[label] at $frame[path] line $frame[line]",
            $this->frames,
        );
        error_log("[ERROR] $this->type: $this->message" . implode('', $lines));
    }

    private static function json(mixed $value, int $flags = JSON_UNESCAPED_UNICODE): string
    {
        return json_encode($value, $flags | JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE
            | JSON_PARTIAL_OUTPUT_ON_ERROR);
    }
}
