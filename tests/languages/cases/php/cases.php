<?php

// What the tests have a PHP handler do: the event's `do` says it, any other event is echoed.

declare(strict_types=1);

use LambdaRuntime\Context;
use LambdaRuntime\Http;
use LambdaRuntime\LambdaError;

$table = 'orders';

function handler(mixed $event, Context $context): mixed
{
    global $table;
    static $count = 0;
    return match (is_array($event) ? $event['do'] ?? null : null) {
        'raise' => throw new LambdaError('OrderNotFound', 'no order "17" ü'),
        'large' => throw new LambdaError('Large', str_repeat('x', 7_000_000)),
        'garbled' => throw new LambdaError('Garbled', "a\x7fb"),
        'fail' => deeper(),
        'fatal' => exhaust(),
        'exit' => exit(3),
        'crash' => pcntl_exec('/bin/false'),
        'sleep' => sleep(60),
        'length' => strlen($event['data']),
        'big' => str_repeat('x', 7_000_000),
        'text' => '"Grüße"',
        'nothing' => null,
        'empty' => '',
        'zero' => 0,
        'code' => ['nan' => NAN],
        'count' => ++$count,
        'global' => [$table .= '!', array_keys($GLOBALS)],
        'print' => printed(),
        'print_only' => print_only(),
        'warn' => warned(),
        'context' => [
            'id' => $context->awsRequestId,
            'left' => $context->getRemainingTimeInMillis(),
            'trace' => getenv('_X_AMZN_TRACE_ID') ?: 'none',
            'arn' => $context->invokedFunctionArn,
            'tenant' => $context->tenantId ?? '',
            'client' => $context->clientContext,
        ],
        'usage' => usage(),
        'log' => error_log('an info line'),
        'stream' => (function (): Generator {
            yield "piece 1 ü\n";
            echo "piece 2 ü\n";
            yield '';
            yield "piece 3 ü\n";
        })(),
        'stream_http' => (function (): Generator {
            yield new Http(201, ['Content-Type' => 'text/html'], ['a=1']);
            yield '<p>';
        })(),
        'stream_fail' => (function (): Generator {
            yield 'first';
            throw new LambdaError('Broke', 'half-way');
        })(),
        'stream_long' => (function (): Generator {
            yield 'first';
            longer(60);
        })(),
        'stream_never' => (function (): Generator {
            throw new LambdaError('Broke', 'at once');
            yield 'never';
        })(),
        'stream_nothing' => (function (): Generator {
            yield from [];
        })(),
        default => $event === '' ? '""' : (is_string($event) ? json_encode($event, JSON_UNESCAPED_UNICODE) : $event),
    };
}

function longer(int $depth): void
{
    if ($depth === 0) {
        throw new LambdaError('Broke', str_repeat('é', 5000));
    }
    longer($depth - 1);
}

function deeper(): never
{
    throw new RuntimeException('plain failure');
}

function printed(): array
{
    echo '[2]';
    return [1];
}

function print_only(): void
{
    echo '"printed"';
}

function warned(): string
{
    return '"' . @$undefined . $alsoUndefined . 'survived"';
}

function usage(): array
{
    preg_match('/VmRSS:\s+(\d+)/', file_get_contents('/proc/self/status'), $match);
    return [
        'rss' => (int) $match[1],
        'files' => count(scandir('/tmp')) - 2,
        'open' => count(scandir('/proc/self/fd')) - 2,
    ];
}

final class Shop
{
    public static function order(mixed $event): array
    {
        return ['static' => $event];
    }
}

function exhaust(): string
{
    ini_set('memory_limit', '16M');
    return str_repeat('x', 1 << 30);
}
