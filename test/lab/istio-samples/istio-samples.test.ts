import { afterAll, beforeAll } from 'vitest'
import { describeBookinfo } from './bookinfo-scenes.ts'
import { describeCertificates } from './certificate-scenes.ts'
import { describeEgress } from './egress-scenes.ts'
import { describeLocality } from './locality-scenes.ts'
import { SamplesStage } from './samples-stage.ts'

// Istio's samples and tasks in one mesh. Each test goes on where the one before it ended. With $ISTIO the samples are Istio's files, unchanged.
let stage: SamplesStage

beforeAll(async () => {
  stage = await SamplesStage.start()
}, 900_000)
afterAll(() => stage?.stop(), 60_000)

const theStage = () => stage

describeBookinfo(theStage)
describeCertificates(theStage)
describeEgress(theStage)
describeLocality(theStage)
