"""The record: append-only, hash-chained segments, their readers and their audit."""
