<?php

declare(strict_types=1);

namespace LambdaRuntime;

/** An answer that is not the one hoped for, or none. */
class ApiException extends \RuntimeException
{
}

/**
 * The Lambda Runtime API, version 2018-06-01, over one kept connection.
 *
 * AWS describes it at https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. Nothing here
 * has a time limit: between events the whole machine may be frozen for hours.
 */
final class Client
{
    private const BASE = '/2018-06-01/runtime';
    private const JSON = "Content-Type: application/json\r\n";
    private const MAX_XRAY = 1024 * 1024;

    /** @var resource|null */
    private $socket = null;

    public function __construct(private readonly string $address)
    {
    }

    /** Waits for the next event. */
    public function next(): Invocation
    {
        [$status, $fields, $body] = $this->exchange('GET', '/invocation/next');
        if ($status !== 200) {
            throw new ApiException("the Runtime API answered next with $status");
        }
        return new Invocation($fields, $body);
    }

    /** Posts a result. Returns '' where it was accepted, else why not; so do the other posts. */
    public function respond(string $id, string $body, string $contentType): string
    {
        return $this->post("/invocation/$id/response", $body, "Content-Type: $contentType\r\n");
    }

    public function fail(string $id, Failure $failure): string
    {
        $cause = $failure->xrayCause();
        $headers = self::JSON . self::typeHeader($failure->type);
        if (strlen($cause) < self::MAX_XRAY) {
            $headers .= "Lambda-Runtime-Function-XRay-Error-Cause: $cause\r\n";
        }
        return $this->post("/invocation/$id/error", $failure->body($id), $headers);
    }

    public function initError(Failure $failure): string
    {
        return $this->post('/init/error', $failure->body(), self::JSON . self::typeHeader($failure->type));
    }

    /** Begins a streamed response; pieces and the end follow. */
    public function streamBegin(string $id, string $contentType): void
    {
        $this->dropIfGone();
        $this->open();
        $this->send(
            $this->head('POST', "/invocation/$id/response")
            . "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
            . "Transfer-Encoding: chunked\r\n"
            . "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n"
            . "Content-Type: $contentType\r\n\r\n"
        );
    }

    public function streamChunk(string $data): void
    {
        if ($data !== '') {
            $this->send(dechex(strlen($data)) . "\r\n$data\r\n");
        }
    }

    /** Ends it; an error that came after the first byte goes into the trailers. */
    public function streamEnd(string $id, ?Failure $failure = null): string
    {
        $trailers = '';
        if ($failure !== null) {
            $trailers = self::typeHeader($failure->type)
                . 'Lambda-Runtime-Function-Error-Body: ' . base64_encode($failure->body($id, Failure::MAX_TRAILER)) . "\r\n";
        }
        return $this->refusal(function () use ($trailers): array {
            $this->send("0\r\n$trailers\r\n");
            return $this->receive();
        });
    }

    public function close(): void
    {
        if ($this->socket !== null) {
            fclose($this->socket);
            $this->socket = null;
        }
    }

    private function post(string $path, string $body, string $headers): string
    {
        return $this->refusal(fn () => $this->exchange('POST', $path, $headers, $body));
    }

    /** @param callable(): array{int, array<string, string>, string} $call */
    private function refusal(callable $call): string
    {
        try {
            [$status, , $body] = $call();
        } catch (ApiException $error) {
            $this->close();
            return $error->getMessage();
        }
        return $status === 202 ? '' : "the Runtime API answered $status: " . substr($body, 0, 500);
    }

    /** The error types that Lambda keeps begin with Runtime. or Function. */
    private static function typeHeader(string $type): string
    {
        $type = preg_replace('/[^A-Za-z0-9._]/', '', str_replace('\\', '.', $type));
        if (!preg_match('/^(Runtime|Function)\./', $type)) {
            $type = "Function.$type";
        }
        return "Lambda-Runtime-Function-Error-Type: $type\r\n";
    }

    private function head(string $method, string $path): string
    {
        return "$method " . self::BASE . "$path HTTP/1.1\r\nHost: $this->address\r\n"
            . 'User-Agent: lambdaimg-php/' . PHP_VERSION . "\r\n";
    }

    /**
     * Sends a request and reads the answer. A kept connection that turns out to be gone before an
     * answer began is opened again, once.
     *
     * @return array{int, array<string, string>, string} status, fields by lower-case name, body
     */
    private function exchange(string $method, string $path, string $headers = '', ?string $body = null): array
    {
        $length = $body === null ? '' : 'Content-Length: ' . strlen($body) . "\r\n";
        $request = $this->head($method, $path) . $headers . $length . "\r\n" . $body;
        if ($this->socket !== null) {
            try {
                $this->send($request);
                $this->await();
                $line = fgets($this->socket);
                if ($line !== false) {
                    return $this->receive($line);
                }
            } catch (BrokenConnection) {
            }
            $this->close();
        }
        $this->open();
        $this->send($request);
        $this->await();
        return $this->receive();
    }

    /** Waits until there is something to read. Unlike a read, this is broken off by a signal. */
    private function await(): void
    {
        $none = null;
        do {
            $read = [$this->socket];
        } while (@stream_select($read, $none, $none, null) === false);
    }

    private function open(): void
    {
        if ($this->socket !== null) {
            return;
        }
        $context = stream_context_create(['socket' => ['tcp_nodelay' => true]]);
        $socket = @stream_socket_client("tcp://$this->address", $code, $reason, null, STREAM_CLIENT_CONNECT, $context);
        if ($socket === false) {
            throw new ApiException("cannot reach the Runtime API at $this->address: $reason");
        }
        // PHP's streams have a time limit of their own; a negative one is none.
        stream_set_timeout($socket, -1);
        $this->socket = $socket;
    }

    /**
     * Closes a connection that the API has closed while the handler ran. What a stream sends into
     * it would be lost, and only the next piece would tell.
     */
    private function dropIfGone(): void
    {
        $read = [$this->socket];
        $none = null;
        if ($this->socket !== null && stream_select($read, $none, $none, 0) > 0) {
            $this->close();
        }
    }

    private function send(string $data): void
    {
        while ($data !== '') {
            $sent = @fwrite($this->socket, $data);
            if (!$sent) {
                throw new BrokenConnection('the Runtime API closed the connection');
            }
            $data = substr($data, $sent);
        }
    }

    /** @return array{int, array<string, string>, string} */
    private function receive(?string $line = null): array
    {
        do {
            $line ??= $this->line();
            if (!preg_match('~^HTTP/1\.[01] (\d{3})~', $line, $match)) {
                throw new ApiException('the answer is no HTTP');
            }
            $fields = $this->fields();
            $line = null;
        } while ($match[1] < 200);
        $length = $fields['content-length'] ?? '';
        if (strtolower($fields['transfer-encoding'] ?? '') === 'chunked') {
            $body = $this->chunked();
        } elseif (ctype_digit($length)) {
            $body = $this->exactly((int) $length);
        } else {
            throw new ApiException('an answer without a length');
        }
        if (strtolower($fields['connection'] ?? '') === 'close') {
            $this->close();
        }
        return [(int) $match[1], $fields, $body];
    }

    /** @return array<string, string> */
    private function fields(): array
    {
        $fields = [];
        while (($line = rtrim($this->line(), "\r\n")) !== '') {
            [$name, $value] = explode(':', $line, 2) + [1 => ''];
            $fields[strtolower($name)] = trim($value);
        }
        return $fields;
    }

    private function line(): string
    {
        $line = fgets($this->socket);
        if ($line === false || !str_ends_with($line, "\n")) {
            throw new ApiException('the Runtime API broke off its answer');
        }
        return $line;
    }

    private function exactly(int $size): string
    {
        $data = '';
        while (strlen($data) < $size) {
            $piece = fread($this->socket, $size - strlen($data));
            if ($piece === false || $piece === '') {
                throw new ApiException('the Runtime API broke off its answer');
            }
            $data .= $piece;
        }
        return $data;
    }

    private function chunked(): string
    {
        $data = '';
        do {
            if (!preg_match('/^([0-9a-f]{1,8})\s*(;|$)/i', $this->line(), $match)) {
                throw new ApiException('the Runtime API broke off its answer');
            }
            $size = (int) hexdec($match[1]);
            $data .= $this->exactly($size);
            if ($size > 0) {
                $this->exactly(2);
            }
        } while ($size > 0);
        $this->fields();
        return $data;
    }
}

/** The other side closed a connection. */
final class BrokenConnection extends ApiException
{
}
