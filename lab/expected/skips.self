self/power
