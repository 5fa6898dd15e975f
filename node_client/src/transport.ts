// One DEALER socket and its monitor.
import { Dealer } from "zeromq";

import type { Keys } from "./keys.js";
import * as limits from "./limits.js";

// Who is told what happens. Nothing is called once the transport is closed.
export interface Listener {
  connected(): void;
  disconnected(): void;
  unauthorized(why: string): void;
  handshakeFailed(): void;
  message(frames: Uint8Array[]): void;
  writable(): void; // what send() was given last is on its way
}

export class Transport {
  private readonly socket: Dealer;
  private closed = false;

  // Throws TypeError for what libzmq does not take as an endpoint.
  constructor(
    endpoint: string,
    private readonly keys: Keys | undefined,
    private readonly listener: Listener,
  ) {
    this.socket = new Dealer({
      immediate: true, // no request waits for a connection here, or outlives one
      linger: 0,
      sendHighWaterMark: limits.SEND_QUEUE,
      receiveHighWaterMark: limits.RECEIVE_QUEUE,
      heartbeatInterval: limits.HEARTBEAT_INTERVAL,
      heartbeatTimeout: limits.HEARTBEAT_TIMEOUT,
      reconnectInterval: limits.RECONNECT,
      reconnectMaxInterval: limits.RECONNECT_MAX,
      ipv6: endpoint.includes("["),
      ...(keys && { curvePublicKey: keys.publicKey, curveSecretKey: keys.secretKey, curveServerKey: keys.brokerKey }),
    });
    void this.watch(); // before it connects, so that no event is missed
    try {
      this.socket.connect(endpoint);
    } catch (error) {
      this.close();
      throw new TypeError(`'${endpoint}' is not an endpoint: ${error instanceof Error ? error.message : String(error)}`);
    }
    void this.receive();
  }

  // One at a time: the next one when the listener has heard writable(). Where the connection breaks meanwhile, the message
  // may reach the broker by the next one, which drops it: it is of an earlier epoch.
  send(frames: Uint8Array[]): void {
    const sent = (): void => {
      if (!this.closed) this.listener.writable();
    };
    this.socket.send(frames.map(toBuffer)).then(sent, sent); // what is lost ends at its deadline
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.close();
  }

  private async receive(): Promise<void> {
    for await (const frames of this.socket) {
      if (this.closed) return;
      this.listener.message(frames);
    }
  }

  private async watch(): Promise<void> {
    for await (const event of this.socket.events) {
      if (this.closed) return;
      switch (event.type) {
        case "handshake":
          this.listener.connected();
          break;
        case "disconnect":
          this.listener.disconnected();
          break;
        case "handshake:error:auth":
          this.listener.unauthorized("does not know this client's key");
          break;
        case "handshake:error:protocol":
          if (event.error.code !== "ERR_ZMTP_MECHANISM_MISMATCH") this.listener.handshakeFailed();
          else if (this.keys) this.listener.unauthorized("has no key: what is sent to it would not be secret");
          else this.listener.unauthorized("wants a key: name the files of this client's and of its own");
          break;
        case "handshake:error:other":
          this.listener.handshakeFailed();
          break;
        default:
      }
    }
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
