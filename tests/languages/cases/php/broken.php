<?php

function handler(mixed $event) { return [1, ;
