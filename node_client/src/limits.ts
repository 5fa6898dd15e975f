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

// A broker that failed is left alone for so long, twice as long each time that it does not answer a ping in time, up to the
// longest: a broker that starts anew is there within a second, and one that is gone costs little.
export const EJECTED = 100;
export const EJECTED_LONGEST = 10_000;
export const PING = 1_000;

// Connections of one client.
export const MAX_LINKS = 64;

// Names of brokers are looked up so often; and when a broker is gone or none is known, but not more often than the pause.
export const LOOK_UP_AGAIN = 30_000;
export const LOOK_UP_PAUSE = 1_000;

// Of several brokers each gets its share of the calls that wait, but no smaller bundles than this.
export const LEAST_SHARE = 8;

// Calls that go on to another broker since one is overloaded, as a share of all calls: as the C++ client's retries. So many more
// at the start, since a client that makes few calls may make each of them again; so many are saved up at most.
export const RETRY_BUDGET = 0.1;
export const RETRIES_AT_START = 10;
export const RETRIES_SAVED = 100;

// The longest timer that Node has.
export const LONGEST_TIMER = 2 ** 31 - 1;

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
