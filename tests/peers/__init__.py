"""The other end of the wire: real servers on 127.0.0.1 that misbehave on command."""
