import { connect, createServer } from "node:net";

/** Between a browser and Parley, to be cut. Parley takes its address for one of its own. */
export class Proxy {
  address = process.env.PROXY;
  #sockets = new Set();
  #server = createServer((near) => {
    const far = connect(new URL(process.env.PARLEY).port, "127.0.0.1");
    for (const [one, other] of [[near, far], [far, near]]) {
      this.#sockets.add(one);
      one.on("error", () => {}).on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });

  static async start() {
    const proxy = new Proxy();
    await new Promise((listening) => proxy.#server.listen(new URL(proxy.address).port, "127.0.0.1", listening));
    return proxy;
  }

  /** Every connection, in the middle of whatever it does. New ones are let through. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }
}
