// Limits, each beside its reason. What the wire demands is in PROTOCOL.md, section 7; times are milliseconds.

// --- on the wire ---
export const MAX_DEPTH = 64; // the message's own array included
export const MAX_BUNDLE = 1024;
export const MAX_ATTACHMENTS = 64;
export const MAX_EXT_BYTES = 16 * 1024;
export const MAX_CONTROL_BYTES = 256 * 1024;
export const MAX_NAME_BYTES = 255;
export const MAX_ATTEMPTS = 255;

// --- of this client, as in client/limits.hpp ---

// The broker ends calls at their deadline and says whether they ran. This long after it the client ends them by
// itself: the broker is stopped, or its word was lost.
export const DEADLINE_GRACE = 100;

// A refused handshake is tried again all the time: when none has been refused for so long, the broker is gone.
export const REFUSED_FOR = 2_000;

// How long calls without a timeout of their own wait for a broker, which then sets their deadline.
export const BROKER_WAIT = 30_000;

// A HELLO that stays unanswered for so long was lost: PROTOCOL.md, section 2.
export const HELLO_AGAIN = 5_000;

// The longest timeout there is.
export const MAX_TIMEOUT = 24 * 3_600_000;

// One message of several calls: large enough to make the cost per message vanish, small enough that the first call in it
// is not held up by the copying of the others. A larger call goes alone.
export const BUNDLE_BYTES = 256 * 1024;

// Calls outstanding, and bytes of calls that wait for a broker.
export const MAX_OUTSTANDING = 1_000_000;
export const MAX_WAITING_BYTES = 1 << 30;

// Messages in the socket's queue to the broker: few, since what is there can no longer be bundled. From the broker: many,
// since a full queue stops heartbeats, which cuts the connection.
export const SEND_QUEUE = 64;
export const RECEIVE_QUEUE = 100_000;

export const HEARTBEAT_INTERVAL = 2_000;
export const HEARTBEAT_TIMEOUT = 15_000;
export const RECONNECT = 20;
export const RECONNECT_MAX = 500;

// Items of a stream that may be under way, where nobody says.
export const DEFAULT_WINDOW = 16;
export const MAX_WINDOW = 1024;
