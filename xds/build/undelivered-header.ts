/** On the answer of a proxy whose application has seen nothing of the request. The client's proxy takes it off. */
export const undeliveredHeader = 'x-atoll-undelivered'
