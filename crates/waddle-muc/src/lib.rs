//! Rooms: the room actor and room features, a file each. Knows no socket.
