import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { PermissionSchema, PolicySchema, PrincipalSchema, RBAC_Action } from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import { RBACSchema } from '#envoy/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts'
import type { StringMatcherSchema } from '#envoy/envoy/type/matcher/v3/string_pb.ts'
import { serviceSniPrefix } from '#xds/compile/resource-names.ts'
import type { SniHandler } from '#xds/model/listener.ts'
import { toAny } from './any.ts'
import type { MessageFields } from './message-fields.ts'

/** By its SNI alone a client could reach all that the proxy has a name for: by routes of others, as the proxy itself. */
export const buildSniGate = ({ statPrefix, hosts }: SniHandler): Any =>
  toAny(RBACSchema, {
    statPrefix,
    rules: {
      action: RBAC_Action.ALLOW,
      policies: {
        hosts: create(PolicySchema, {
          permissions: hosts.map((host) =>
            create(PermissionSchema, {
              rule: {
                case: 'andRules',
                value: {
                  rules: [
                    toAsked({ case: 'prefix', value: serviceSniPrefix }),
                    ...(host === '*' ? [] : [toAsked({ case: 'suffix', value: toNameEnd(host) })]),
                  ],
                },
              },
            }),
          ),
          principals: [create(PrincipalSchema, { identifier: { case: 'any', value: true } })],
        }),
      },
    },
  })

const toAsked = (matchPattern: NonNullable<MessageFields<typeof StringMatcherSchema>['matchPattern']>) =>
  create(PermissionSchema, { rule: { case: 'requestedServerName', value: { matchPattern } } })

/** Of a service's SNI (`toServiceSni`). */
const toNameEnd = (host: string): string => (host.startsWith('*') ? host.slice(1) : `_.${host}`)
