<?php

// What is measured, in PHP.

declare(strict_types=1);

const BLOCK = 1_000_000_000;

function hello(array $event): array
{
    return ['message' => "Hello, $event[name]!"];
}

function echoed(array $event): array
{
    return $event;
}

function pi_digits(array $event): array
{
    return ['message' => digits($event['number'])];
}

function digits(int $count): string
{
    $size = (intdiv($count, 9) + 2) * 30;
    $terms = array_fill(0, $size + 1, intdiv(BLOCK, 5));
    $held = 0;
    $text = '';
    while (strlen($text) <= $count) {
        $carry = 0;
        for ($i = $size; $i > 0; $i--) {
            $carry = $carry * $i + $terms[$i] * BLOCK;
            $terms[$i] = $carry % (2 * $i - 1);
            $carry = intdiv($carry, 2 * $i - 1);
        }
        $text .= sprintf('%09d', $held + intdiv($carry, BLOCK));
        $held = $carry % BLOCK;
        $size -= 30;
    }
    return $text[0] . '.' . substr($text, 1, $count);
}
