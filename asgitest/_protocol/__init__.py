"""The rules of ASGI as pure state machines: no I/O, no clock, no ``await``, no threads."""
