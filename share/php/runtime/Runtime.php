<?php

declare(strict_types=1);

namespace LambdaRuntime;

/**
 * The head of a streamed HTTP response: what a handler that returns a generator yields first, if
 * it answers a function URL or an API.
 */
final class Http
{
    /**
     * @param array<string, string> $headers
     * @param list<string>          $cookies
     */
    public function __construct(
        public readonly int $status = 200,
        public readonly array $headers = [],
        public readonly array $cookies = [],
    ) {
    }

    public function prelude(): string
    {
        $head = ['statusCode' => $this->status, 'headers' => (object) $this->headers, 'cookies' => $this->cookies];
        return Runtime::encode($head) . str_repeat("\0", 8);
    }
}

/** From a handler's name to a running function: next event, handler, answer. */
final class Runtime
{
    private const ATTEMPTS = 5;
    private const JSON = 'application/json';
    private const STREAM = 'application/octet-stream';
    private const HTTP = 'application/vnd.awslambda.http-integration-response';
    private const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;

    private string $file = '';
    private string $function = '';
    private ?Invocation $invocation = null;
    private bool $serving = false;
    private bool $terminated = false;
    private ?string $reserve;

    public function __construct(private readonly Client $client)
    {
        // Freed when memory has run out, so that this can still be reported.
        $this->reserve = str_repeat("\0", 65536);
        register_shutdown_function($this->onShutdown(...));
        // As the first process of a container this one would not heed the signal at all.
        if (function_exists('pcntl_signal')) {
            pcntl_async_signals(true);
            pcntl_signal(SIGTERM, function (): never {
                $this->terminated = true;
                exit(0);
            }, false);
        }
    }

    /** The path of the file that a handler's name stands for: file.function, or file.Class::method. */
    public function find(string $handler): string
    {
        if (!preg_match('~^(.+)\.([\w\\\\:]+)$~', $handler, $match)) {
            throw new LambdaError('Runtime.MalformedHandlerName', "The handler '$handler' is not of the form file.function");
        }
        [, $this->file, $this->function] = $match;
        $path = (getenv('LAMBDA_TASK_ROOT') ?: '.') . "/$this->file.php";
        if (!is_file($path)) {
            throw new LambdaError('Runtime.ImportModuleError', "There is no file $this->file.php in the task root");
        }
        return $path;
    }

    /** Tells that the handler cannot be had, and exits with 1. */
    public function failToLoad(\Throwable $error): never
    {
        if ($error instanceof \ParseError) {
            $where = "{$error->getFile()} line {$error->getLine()}";
            $this->initFailed(new Failure('Runtime.UserCodeSyntaxError', "{$error->getMessage()} in $where"));
        }
        $this->initFailed(Failure::of($error));
    }

    /** Serves events without end, once the file is loaded. Exits with 1 where it has no such function. */
    public function run(): never
    {
        if (!is_callable($this->function)) {
            $this->initFailed(
                new Failure('Runtime.HandlerNotFound', "$this->file.php defines no function $this->function"),
            );
        }
        $this->serving = true;
        while (true) {
            $this->invocation = $this->wait();
            $this->serve($this->function, $this->invocation);
        }
    }

    /** Any value as JSON. */
    public static function encode(mixed $value): string
    {
        try {
            return json_encode($value, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE
                | JSON_PRESERVE_ZERO_FRACTION);
        } catch (\JsonException $error) {
            throw new LambdaError('Runtime.MarshalError', "The result cannot be made JSON: {$error->getMessage()}");
        }
    }

    private function wait(): Invocation
    {
        $pause = 100_000;
        for ($left = self::ATTEMPTS; $left > 0; --$left) {
            try {
                return $this->client->next();
            } catch (ApiException $error) {
                error_log("[ERROR] no event could be fetched: {$error->getMessage()}");
                $this->client->close();
                usleep($pause);
                $pause *= 2;
            }
        }
        exit(1);
    }

    private function serve(callable $handler, Invocation $invocation): void
    {
        self::setVariable('_X_AMZN_TRACE_ID', $invocation->field('trace-id'));
        ob_start();
        try {
            $result = $handler($invocation->event(), $invocation->context());
            if ($result instanceof \Generator) {
                $this->stream($invocation, $result);
            } else {
                $body = self::body($result, self::output());
                $this->answered($invocation, $this->client->respond($invocation->id, $body, self::JSON));
            }
        } catch (\Throwable $error) {
            fwrite(STDERR, self::output());
            $this->failed($invocation, Failure::of($error));
        }
    }

    /** A string is the response as it stands, all else is JSON; what was printed follows it. */
    private static function body(mixed $result, string $output): string
    {
        if ($result === null) {
            return $output === '' ? 'null' : $output;
        }
        return (is_string($result) ? $result : self::encode($result)) . $output;
    }

    /** What the handler has printed since it was last asked. */
    private static function output(): string
    {
        $output = '';
        while (ob_get_level() > 0) {
            $output = ob_get_clean() . $output;
        }
        return $output;
    }

    /** Sends what a generator yields, and what it prints in between, piece by piece. */
    private function stream(Invocation $invocation, \Generator $pieces): void
    {
        $begun = false;
        $failure = null;
        try {
            while (true) {
                $more = $pieces->valid();
                $piece = $more ? $pieces->current() : '';
                $data = self::output() . ($piece instanceof Http ? $piece->prelude() : $piece);
                if (!$begun) {
                    $type = $piece instanceof Http ? self::HTTP : self::STREAM;
                    $this->client->streamBegin($invocation->id, $type);
                    $begun = true;
                }
                $this->client->streamChunk($data);
                if (!$more) {
                    break;
                }
                ob_start();
                $pieces->next();
            }
        } catch (ApiException $error) {
            $this->client->close();
            $this->answered($invocation, $error->getMessage());
            return;
        } catch (\Throwable $error) {
            if (!$begun) {
                throw $error;
            }
            self::output();
            $failure = Failure::of($error);
            $failure->log();
        }
        $this->answered($invocation, $this->client->streamEnd($invocation->id, $failure));
    }

    private function failed(Invocation $invocation, Failure $failure): void
    {
        $failure->log();
        $this->answered($invocation, $this->client->fail($invocation->id, $failure));
    }

    /** A refusal (413 for a response that is too large) is logged, and the next event is served. */
    private function answered(Invocation $invocation, string $refusal): void
    {
        $invocation->answered = true;
        if ($refusal !== '') {
            error_log("[ERROR] the answer to $invocation->id was not accepted: $refusal");
        }
    }

    private function initFailed(Failure $failure): never
    {
        $this->serving = true;
        $failure->log();
        $refusal = $this->client->initError($failure);
        if ($refusal !== '') {
            error_log("[ERROR] the init error was not accepted: $refusal");
        }
        exit(1);
    }

    /** A fatal error, or exit() in the handler, ends the process; the caller is told why. */
    private function onShutdown(): void
    {
        $this->reserve = null;
        if ($this->terminated) {
            return;
        }
        $last = error_get_last();
        $fatal = $last !== null && ($last['type'] & self::FATAL) !== 0;
        $failure = $fatal
            ? new Failure('FatalError', "$last[message] in $last[file] line $last[line]")
            : new Failure('Runtime.ExitError', 'the handler ended the process with exit()');
        if (!$this->serving) {
            $this->initFailed($failure);
        }
        if ($this->invocation !== null && !$this->invocation->answered) {
            fwrite(STDERR, self::output());
            $this->client->close();
            $this->failed($this->invocation, $failure);
        }
    }

    private static function setVariable(string $name, ?string $value): void
    {
        putenv($value === null ? $name : "$name=$value");
        if ($value === null) {
            unset($_ENV[$name], $_SERVER[$name]);
        } else {
            $_ENV[$name] = $_SERVER[$name] = $value;
        }
    }
}
