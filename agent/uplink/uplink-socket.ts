/** One connection to the plane, as the session sees it: text messages, in order, until it ends. */
export interface UplinkSocket {
  /** `sent` runs when the message has left this process (or never will). */
  send(text: string, sent: () => void): void
  /** What was sent and has not left this process yet. */
  readonly bufferedBytes: number
  /** Ends the connection at once; `onClose` may still be called, and is then ignored. */
  close(reason: string): void
}

export interface SocketHandlers {
  onOpen(): void
  onText(text: string): void
  /** The connection has ended, or never came about. */
  onClose(reason: string): void
}

/** Starts a connection. Calls no handler before it has returned. */
export type OpenSocket = (handlers: SocketHandlers) => UplinkSocket
