"""Tests of the Discord adapter. Inside this package `discord` alone means the SDK."""
