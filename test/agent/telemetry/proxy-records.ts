import { create, toBinary } from '@bufbuild/protobuf'
import { ExportLogsServiceRequestSchema } from '#envoy/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts'
import { accessRecordSeparator, accessRecordValues, type AccessRecordValue } from '#mesh/telemetry/access-record.ts'

/** Of one request, as a proxy tells it; absent is nothing. */
export type Values = Partial<Record<AccessRecordValue, string>>

export const toText = (values: Values) =>
  accessRecordValues
    .map((name) => ({ version: '2', reporter: 'source', protocol: 'http', ...values })[name] ?? '-')
    .join(accessRecordSeparator)

/** An ExportLogsServiceRequest of a proxy. */
export const toMessage = (texts: readonly string[], time = 1_700_000_000_000_000_000n): Buffer =>
  Buffer.from(
    toBinary(
      ExportLogsServiceRequestSchema,
      create(ExportLogsServiceRequestSchema, {
        resourceLogs: [
          {
            resource: {},
            scopeLogs: [
              {
                logRecords: texts.map((text, index) => ({
                  timeUnixNano: time + BigInt(index),
                  body: { value: { case: 'stringValue' as const, value: text } },
                })),
              },
            ],
          },
        ],
      }),
    ),
  )
