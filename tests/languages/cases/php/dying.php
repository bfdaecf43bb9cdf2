<?php

throw new DomainException('there is no table');
