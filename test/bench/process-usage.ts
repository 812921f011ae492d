import { readFileSync } from 'node:fs'

export interface Usage {
  readonly cpuSeconds: number
  readonly rssMebibytes: number
  readonly peakRssMebibytes: number
}

const ticksPerSecond = 100 // USER_HZ is 100 on every Linux that Node runs on

/** CPU time and memory of one process so far, from /proc (Linux). */
export const readUsage = (pid: number): Usage =>
  parseUsage(readFileSync(`/proc/${pid}/stat`, 'utf8'), readFileSync(`/proc/${pid}/status`, 'utf8'))

/** Reads the files `stat` and `status` of a process's folder in /proc. */
export const parseUsage = (stat: string, status: string): Usage => {
  const fields = stat.split(') ')[1]?.split(' ') ?? []
  const mebibytes = (name: string): number =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024)
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    rssMebibytes: mebibytes('VmRSS'),
    peakRssMebibytes: mebibytes('VmHWM'),
  }
}

/** CPU time of a process and all that it has started. */
export const readTreeCpuSeconds = (pid: number): number =>
  listTree(pid).reduce((sum, each) => sum + readUsage(each).cpuSeconds, 0)

/** Of a process and all that it has started, the one that took most. */
export const readTreePeakRssMebibytes = (pid: number): number =>
  Math.max(...listTree(pid).map((each) => readUsage(each).peakRssMebibytes))

const listTree = (pid: number): number[] => {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  return [pid, ...children.flatMap(listTree)]
}
