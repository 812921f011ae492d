/**
 * How long a captured connection may say nothing before it counts as one whose server speaks first. Long enough for clients that
 * connect in advance, short enough for people to wait.
 */
export const sniffTimeoutMs = 5000
