import { expect, it } from 'vitest'
import { toGatewayAdvice } from './gateway-advice.ts'

const gateways = [{ address: '10.0.0.1', port: 15443 }]
const east = { name: 'east', network: 'east', gateways }
const joining = { name: 'west', network: 'west', hasGateway: false }

it('says nothing where all are on one network, or each has a gateway', () => {
  expect(toGatewayAdvice(joining, [])).toEqual([])
  expect(toGatewayAdvice(joining, [{ name: 'other', network: 'west', gateways: [] }])).toEqual([])
  expect(toGatewayAdvice(joining, [{ name: 'west', network: 'old', gateways: [] }])).toEqual([])
  expect(toGatewayAdvice({ ...joining, hasGateway: true }, [east])).toEqual([])
})

it('names the clusters that others cannot reach, and the next command', () => {
  const [means, , command] = toGatewayAdvice(joining, [east, { name: 'south', network: 'south', gateways: [] }])
  expect(means).toContain('what runs in west, south is reached')
  expect(command).toMatch(/^ {2}atoll machine token create --cluster west --role east-west-gateway /)
  const [onlyOther] = toGatewayAdvice({ ...joining, hasGateway: true }, [{ ...east, gateways: [] }])
  expect(onlyOther).toContain('what runs in east is reached')
})
