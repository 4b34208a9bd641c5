"""Tests; their paths mirror the rooms."""
