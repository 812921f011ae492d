/** Something to speak gRPC and bare TCP with: the Service for every cluster, the pod for the one that it runs in. */
export const talkService = `
apiVersion: v1
kind: Service
metadata: {name: talk}
spec:
  selector: {app: talk}
  ports: [{name: grpc, port: 9000}, {name: tcp, port: 9001, targetPort: 8080}]
`

export const talkPod = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: talk}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: talk}
spec:
  selector: {matchLabels: {app: talk}}
  template:
    metadata: {labels: {app: talk}}
    spec:
      serviceAccountName: talk
      containers:
      - {name: grpc, image: lab/grpc, ports: [{containerPort: 9000}]}
      - {name: tcp, image: lab/app, ports: [{containerPort: 8080}]}
`

/** For a shell with curl: a call of gRPC with one message, and a connection of TCP. */
export const talkScript = `
  printf '\\000\\000\\000\\000\\002hi' | curl --silent --fail --max-time 5 --http2-prior-knowledge --header 'content-type: application/grpc' --header 'te: trailers' \\
    --data-binary @- --output /dev/null http://talk:9000/lab.Talk/Say
  curl --silent --fail --max-time 5 --output /dev/null http://talk:9001/`
