import { readFileSync } from 'node:fs'

export interface Usage {
  readonly cpuSeconds: number
  readonly peakRssMebibytes: number
}

const ticksPerSecond = 100 // USER_HZ is 100 on every Linux that Node runs on

/** CPU time and peak memory of one process so far, from /proc (Linux). */
export const readUsage = (pid: number): Usage => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    peakRssMebibytes: Math.round(Number(peak) / 1024),
  }
}
